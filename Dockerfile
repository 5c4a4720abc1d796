# One image for agent, controller and the `hawser` command:
#
#   docker build -t hawser:0.1.0 .
#
# It has the Node that package-lock.json pins, our bundles, koffi's binary, and the programs that the agent drives.

FROM node:26-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY . .
# The runtime is the one that the tests ran on: node_modules' own, not this stage's.
RUN npm run build \
 && cp "node_modules/node-linux-$(node -p process.arch)/bin/node" dist/bin/node \
 && mkdir -p dist/node_modules/@koromix \
 && cp -r node_modules/koffi dist/node_modules/ \
 && cp -r "node_modules/@koromix/koffi-linux-$(node -p process.arch)" dist/node_modules/@koromix/

FROM debian:bookworm-slim
# iptables has both back ends, nft and legacy. nftables: to take away a table that stays empty. libatomic1: Node needs it.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends iptables ipset iproute2 nftables libatomic1 \
 && rm -rf /var/lib/apt/lists/* /var/cache/debconf /var/log/*
COPY --from=build /build/dist /opt/hawser
ENV PATH=/opt/hawser/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
# The controller's user. The agent's manifest asks for root, whose capabilities it then drops but for three.
USER 65532:65532
CMD ["hawser", "--help"]

ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Hawser" \
      org.opencontainers.image.description="A service mesh without sidecars: agent, controller and command" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.base.name="docker.io/library/debian:bookworm-slim"
