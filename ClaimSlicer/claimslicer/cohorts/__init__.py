"""Cohorts: many synthetic studies from many sources, and any result again from its recipe."""
