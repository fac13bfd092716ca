"""What is told of calls after they are done: records, statistics of services, spans, and the bytes on the wire."""
