"""PanDA's wire, spoken at the edge: what its client, pilot and harvester send and want to hear."""
