"""PanDA's own pilot and harvester: our jobs in their words, and theirs in ours."""
