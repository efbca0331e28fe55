# Debian with the official Node.js binary: stands in for node:24-bookworm-slim.
ARG OS
FROM ${OS}
COPY node /usr/local/bin/node
RUN ln -s node /usr/local/bin/nodejs && groupadd --gid 1000 node && useradd --uid 1000 --gid node --shell /bin/bash --create-home node
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8
CMD ["node"]
