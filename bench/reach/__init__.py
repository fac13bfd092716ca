"""How many of a catalogue's services a catalog of ours can say.

    python -m bench.reach providers.yaml

reads a provider catalogue in the public YAML form of integration platforms (a mapping of providers,
each with ``auth_mode``, ``token_url``, ``token_params``, ``proxy: {base_url, headers}`` and so on),
writes each provider as a service, and lets the real checker judge it.
"""
