# The service in a container. deploy/container/README.md says which flags of `docker run` give which tier of isolation; `make container-test`
# builds this very file and runs it with each of them.
ARG BASE=debian:12-slim

# ---- The page: compiled here, nothing of Node.js is in the image --------------------------------------------------------
FROM ${BASE} AS web
RUN apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends ca-certificates nodejs npm
WORKDIR /src
COPY deploy/setup.sh deploy/
COPY clients/typescript clients/typescript
COPY web web
RUN deploy/setup.sh web web

# ---- The programs and the sessions' Python environment ------------------------------------------------------------------
FROM ${BASE} AS build
RUN apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends make
WORKDIR /src
COPY Makefile ./
COPY deploy/setup.sh deploy/*.mk deploy/
RUN make packages-run
COPY runtime/requirements.txt runtime/
COPY deploy/container/slim.sh deploy/container/
RUN make venv && deploy/container/slim.sh build/venv
COPY deploy deploy
COPY policies policies
COPY runtime runtime
COPY server server
COPY --from=web /src/web/dist web/dist
RUN make -j"$(nproc)" LDFLAGS=-s programs && \
    make LDFLAGS=-s install-files && \
    install -D -m 0644 deploy/container/healthcheck.py /usr/local/lib/penny-sandbox/healthcheck.py

# ---- What ships ---------------------------------------------------------------------------------------------------------
FROM ${BASE}
LABEL org.opencontainers.image.title="Penny Sandbox" \
      org.opencontainers.image.description="Runs other people's Python in jailed, persistent sessions" \
      org.opencontainers.image.licenses="MIT"
RUN apt-get -q update && \
    DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends \
      ca-certificates python3 libpython3.11 libevhtp0 libevent-2.1-7 libevent-openssl-2.1-7 libjansson4 libonig5 libseccomp2 libssl3 libuuid1 && \
    rm -rf /var/lib/apt/lists/* /var/cache/apt /var/cache/debconf /var/log/apt /var/log/dpkg.log && \
    groupadd --gid 10001 penny && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin penny
COPY --from=build /usr/local /usr/local
# A port that is published is reached from outside the container, so it listens on all of its addresses. Without API keys it still answers to
# the names localhost and 127.0.0.1 only (SANDBOX_ALLOWED_HOSTS); give it keys before you publish the port to others.
ENV SANDBOX_HOST=0.0.0.0 \
    SANDBOX_PORT=3003 \
    SANDBOX_ALLOW_ANONYMOUS=on \
    PYTHONDONTWRITEBYTECODE=1
EXPOSE 3003
USER 10001:10001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["/usr/bin/python3", "-I", "-S", "/usr/local/lib/penny-sandbox/healthcheck.py"]
# The first process passes signals on and reaps what its children leave behind: no other init is needed.
ENTRYPOINT ["/usr/local/bin/penny-sandbox"]
