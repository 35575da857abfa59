"""The command line and the one-machine run: composes the services, imported by none of them.

Reading order: `cli` (every command), `configuration` (where settings come from), `up` → `supervisor` → `view`, `demo`
(the one-command run), then one module for each other command.
"""
