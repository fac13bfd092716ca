"""HTTP in: ``blueprints`` lists the views, ``context`` has what they reach."""
