# The programs of the host that builds it (Pulumi with its plugins, Docker's client, helm, kubectl, kind), on a base with Node.js.
ARG BASE
FROM ${BASE}
USER root
COPY . /opt/bay-e2e/
ENV PATH=/opt/bay-e2e/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin PULUMI_HOME=/opt/bay-e2e/pulumi-home PULUMI_SKIP_UPDATE_CHECK=true
ENTRYPOINT []
