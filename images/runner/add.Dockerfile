# Adds files of a checkout at the place that they have on the host: names and labels of a run are made of that place.
ARG BASE
FROM ${BASE}
ARG PLACE
WORKDIR ${PLACE}
COPY . .
