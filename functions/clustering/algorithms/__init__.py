"""What is computed, and nothing of where it comes from: no AWS, no HTTP, no database.

`parameters` and `answers` cost nothing to import. The rest imports scikit-learn (0.8 s of a cold
start): import it when an algorithm is asked for, not before.

    answer = clusters.cluster(Table(values, names), ClusterParameters(algorithm="kmeans"))
    answer = anomalies.find_anomalies(Table(values, names), AnomalyParameters(contamination=0.1))
    answer = importance.importance(Table(values, names), target, ImportanceParameters())
    scores = scoring.score(answer.model, Table(new_values, names))
    state = fitted.to_state(answer.model)      # plain arrays and estimators that skops trusts
    model = fitted.from_state(state)
"""
