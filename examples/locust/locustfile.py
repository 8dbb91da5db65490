from locust import HttpUser, between, task


class Visitor(HttpUser):
    wait_time = between(0.1, 0.5)

    @task
    def front_page(self):
        self.client.get("/")
