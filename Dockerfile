# The image of keyframe: compile and bundle on a Debian with Node, then copy what runs into an empty image. Nothing but
# node, its shared objects and the bundle is inside: no shell, no package manager, nothing to write to. Any Debian-based
# image with Node.js 20.15 or later will do for the build: --build-arg NODE_IMAGE=…

ARG NODE_IMAGE=node:24-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY LICENSE tsconfig.json ./
COPY src ./src
COPY deploy/image ./deploy/image
# The bundle is made where it will lie, because compiled code is found by its path. The list of packages is for scanners: a
# bundle does not show what it was made of.
RUN npm run build \
    && node deploy/image/rootfs.mjs --out /root-fs \
    && node deploy/image/bundle.mjs --out /app \
    && npm sbom --omit=dev --package-lock-only --sbom-format=cyclonedx > /app/sbom.cdx.json \
    && node deploy/image/warm.mjs --app /app --cache /app/compiled --user 65532

FROM scratch
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="keyframe" \
      org.opencontainers.image.description="Sends Socket.IO frames between replicas as deltas" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}"
COPY --from=build /root-fs /
COPY --from=build /app /app
# One arena, and a small young generation: 20 to 30 MiB less for the same work (docs/PERFORMANCE.md, growth and memory).
ENV NODE_ENV=production PATH=/usr/local/bin NODE_COMPILE_CACHE=/app/compiled \
    NODE_OPTIONS=--max-semi-space-size=2 MALLOC_ARENA_MAX=1
WORKDIR /app
# A number, so that runAsNonRoot can be checked without the image's user list. Nothing is ever written to disk.
USER 65532:65532
EXPOSE 6380 9465
# Says something of the sidecar only; in a cluster the probes of the pod decide.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 CMD ["node", "dist/main.js", "healthcheck"]
ENTRYPOINT ["node", "dist/main.js"]
CMD ["sidecar"]
