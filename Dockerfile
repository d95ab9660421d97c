# syntax=docker/dockerfile:1

FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY cmd cmd
COPY internal internal
COPY migrations migrations
COPY web web
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/cache \
    GOCACHE=/cache CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /out/spotpool ./cmd/spotpool \
    && mkdir /out/data

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/spotpool /usr/local/bin/spotpool
COPY --from=build --chown=nonroot:nonroot /out/data /data
# Loopback inside a container is out of everybody's reach; what is published of
# the port, and where, is said when the container is started.
ENV SPOTPOOL_ADDR=0.0.0.0:8080 \
    SPOTPOOL_DATA=/data
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/spotpool"]
CMD ["serve"]
