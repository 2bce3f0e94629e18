"""What is kept of models and jobs, in three tables:

clustering_models          one row a saved model, with the manifest that its file must agree with
clustering_promotions      one row each time that a name was given to a model; a roll-back marks
                           the row, so the promotion before it counts again
clustering_cancellations   jobs that somebody wants to stop
"""
