"""What is wrong with a machine, an installation or settings, before a gateway finds out: for `penstock doctor`.

finding       what a check comes to
machine       descriptors, cores, memory, clock, the queue of connections: judged by plain values
machine_facts where those values come from
installed     Python, the extension, packages that the settings need
certificates  until when certificates hold
secrets       who may read the files that have keys and tokens in them
ports         whether the listeners' addresses can be had
running       the gateway that runs already, if one does
checks        all of them

What can be judged is apart from what must be asked of the machine: `machine` and its like are plain functions.
"""
