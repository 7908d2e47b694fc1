# The runner as an image. A lab needs network namespaces, so:
#   docker build -t plugfest .
#   docker run --rm --privileged -v "$PWD/out:/out" plugfest run routed-64 --out /out/run
# Packages of further implementations: docker build --build-arg PACKAGES="lldpd keepalived" -t plugfest .
FROM debian:bookworm-slim AS build
RUN apt-get update && apt-get install --yes --no-install-recommends python3-venv
COPY . /src
RUN python3 -m venv /opt/plugfest && /opt/plugfest/bin/pip install --no-cache-dir "/src[sign]"

FROM debian:bookworm-slim
ARG PACKAGES="containernetworking-plugins iptables"
RUN apt-get update \
 && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends python3 $PACKAGES \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/plugfest /opt/plugfest
ENV PATH=/opt/plugfest/bin:$PATH
WORKDIR /out
ENTRYPOINT ["plugfest"]
CMD ["doctor"]
