"""A durable single-file store behind the LaunchPad of FireWorks: no server, nothing lost at a kill.

    from cosinter.workflows.embedded.methods import install
    install()  # `sqlite://` addresses; servers stay as they were
    launchpad = LaunchPad(host="sqlite:///home/me/fw.db", uri_mode=True)

`client` speaks the language of MongoDB (by mongomock), `documents` says how documents are found, `store` keeps them in
SQLite, `methods` fits FireWorks to it. Nothing else of cosinter is needed but its exceptions.

Guarantees: each LaunchPad method is one transaction; it is on disk when the call returns (`synchronous=FULL`), but for
signs of life, which a loss of power may take back; a kill at any moment leaves the state before or after a method; two
workers never take the same Firework. Claiming, completing and looking up by id, state or `spec.results` cost the same
among ten and ten thousand Fireworks.

Limits: one computer, a local disk; documents up to 16 MB (FireWorks moves larger results to GridFS, in the same file);
one writer at a time, some 150 launches per second; a Workflow of thousands of Fireworks is slow on any store, many
small ones are not; no transactions or change streams of MongoDB, no TTL.
"""
