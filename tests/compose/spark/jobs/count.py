from pyspark.sql import SparkSession

spark = SparkSession.builder.appName("count").getOrCreate()
print(spark.read.csv("/data/cities.csv", header=True).count())
