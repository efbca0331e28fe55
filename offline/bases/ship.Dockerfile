# The same layers, Python, git and the package managers of Node.js: stands in for nikolaik/python-nodejs.
ARG BASE
FROM ${BASE}
ADD packages.tar /
COPY npm /usr/local/lib/node_modules/npm
COPY pnpm /usr/local/lib/node_modules/pnpm
RUN ln -s /usr/bin/python3 /usr/local/bin/python && ldconfig && cd /usr/local/bin \
 && ln -s ../lib/node_modules/npm/bin/npm-cli.js npm && ln -s ../lib/node_modules/npm/bin/npx-cli.js npx \
 && ln -s ../lib/node_modules/pnpm/bin/pnpm.cjs pnpm && ln -s ../lib/node_modules/pnpm/bin/pnpx.cjs pnpx
CMD ["bash"]
