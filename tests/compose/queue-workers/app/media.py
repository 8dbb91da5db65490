import os

from celery import Celery

app = Celery("media", broker=os.environ["CELERY_BROKER_URL"],
             backend=os.environ["CELERY_RESULT_BACKEND"])


@app.task
def probe(path):
    return os.stat(path).st_size
