"""The admin listener: how operators and their tools look at the gateway. It stands beside the request's way, not on it.

    server.py         the listener: a bounded number of connections
    connection.py     one HTTP connection, by h11; the only module that knows it
    visitors.py       browsers that were led here by somebody else's name
    pages.py          what there is to see, and what it says
    state.py          where the pages get it from; the application fills this in
    figures.py        one moment's numbers, as plain values
    latency.py        the bucket rule of the wire's latency counts
    figure_rules.py   how the figures of several workers become those of all, said field by field; merging.py does it
    metric_names.py   every metric by name, kind, labels and help, put together of files by topic: answer_names.py,
                      attempt_names.py, policy_names.py, service_names.py, traffic_names.py, wire_names.py
    policy_metrics.py the figures of services, policies and settings, as samples; traffic_metrics.py those of requests
    top_sample.py     the counters that /top is computed from, of one worker or of several
    top_keeper.py     keeps those of the last seconds, while somebody looks
    top_between.py    two of them become figures of now; top.py says which, top_page.py shows them
    operator_page.py  what a browser is shown: operator_page.html
    percentiles.py    what histograms tell
    told.py           who is told by name, and who as one of the others
    exposition.py     the text formats; metrics.py puts the page together, page_text.py writes it beside the traffic
    process.py        what this process takes

h11 is loaded with the first connection, and what is about metrics with the first scrape: the data path needs neither.
"""
