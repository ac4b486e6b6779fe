# The sidecar's image: compile, then production dependencies, then no more than what runs. Any base with Node.js 20.15
# or later will do: --build-arg NODE_IMAGE=…

ARG NODE_IMAGE=node:24-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json ./
COPY src ./src
RUN npm run build

FROM ${NODE_IMAGE} AS dependencies
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
# Declarations, source maps and the packages' own sources are of no use at run time.
RUN npm ci --omit=dev --ignore-scripts \
    && find node_modules -type f \( -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' -o -name '*.map' \
        -o -name '*.md' -o -name '*.markdown' \) ! -iname 'licen[cs]e*' -delete

FROM ${NODE_IMAGE}
ENV NODE_ENV=production
WORKDIR /app
COPY --from=dependencies /build/node_modules ./node_modules
COPY package.json LICENSE ./
COPY --from=build /build/dist ./dist
# A number, so that runAsNonRoot can be checked without the image's user list. Nothing is ever written to disk.
USER 65532:65532
EXPOSE 6380 9465
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 CMD ["node", "dist/main.js", "healthcheck"]
ENTRYPOINT ["node", "--enable-source-maps", "dist/main.js"]
CMD ["sidecar"]
