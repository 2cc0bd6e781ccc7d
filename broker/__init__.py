"""Where work should run. Pure: values in, values out; no database, no clock, no Prefect."""
