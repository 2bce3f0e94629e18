"""The tables of clustering and every statement on them, in the caller's transaction:

clustering_models          one row a saved model, with the manifest that its file must agree with
clustering_promotions      one row each time that a model was promoted to a name; a roll-back marks
                           the row, so the promotion before it counts again
clustering_cancellations   jobs whose cancellation was requested
"""
