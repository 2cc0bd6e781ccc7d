"""Filters: small named rules by theme. Numbers are those of spec/broker.md; presets order them."""
