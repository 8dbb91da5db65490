import os

from flask import Flask, request
from redis import Redis

app = Flask(__name__)
queue = Redis("redis")


@app.route("/", methods=["GET", "POST"])
def poll():
    if request.method == "POST":
        queue.rpush("votes", request.form["vote"])
    return "%s or %s?" % (os.getenv("OPTION_A"), os.getenv("OPTION_B"))


app.run(host="0.0.0.0", port=80)
