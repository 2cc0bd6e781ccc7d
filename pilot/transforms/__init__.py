"""What runs a job under any pilot: the rules that ours uses too, and programs for PanDA's.

PanDA's pilot fetches a program by the name of its job's transformation and runs it in the job's
directory. The server packs this folder and what it needs of `culm.core` into that one file
(server/panda/transforms.py); so nothing here may import more than those and the standard library.
"""
