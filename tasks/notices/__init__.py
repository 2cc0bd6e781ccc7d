"""Notices of the end of tasks: by mail, in the form that PanDA's users know, and by webhook."""
