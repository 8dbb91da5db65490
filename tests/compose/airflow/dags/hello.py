import pendulum
from airflow.decorators import dag, task


@dag(schedule=None, start_date=pendulum.datetime(2025, 1, 1))
def hello():
    @task
    def greet():
        print("hello")

    greet()


hello()
