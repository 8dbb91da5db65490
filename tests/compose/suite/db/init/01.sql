create schema suite;
