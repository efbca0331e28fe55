# The same layers and Python: stands in for nikolaik/python-nodejs.
ARG BASE
FROM ${BASE}
ADD python.tar /
RUN ln -s /usr/bin/python3 /usr/local/bin/python && ldconfig
CMD ["bash"]
