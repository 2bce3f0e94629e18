"""The tables of analytics; each event is counted in exactly one of the two:

    analytics_events     one row an event; `rolled` tells whether it is in a roll-up
    analytics_rollups    how many of each type, service and severity in a quarter of an hour, UTC

Every question adds the roll-ups to the events that are not rolled up yet, in one statement, which
sees one state of the database: so a roll-up changes no answer, whenever it runs or dies, and an
event that comes late counts like any other.

A quarter of an hour, because the world's time zones lie that far apart: every hour, day, week and
month of every zone is a number of whole quarters. Rejected: roll-ups by the hour (wrong for India
and Nepal) and by the day (of which zone?).
"""
