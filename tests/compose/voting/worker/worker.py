import redis

q = redis.Redis("redis")
while True:
    print(q.blpop("votes"))
