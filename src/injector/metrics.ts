/** The metrics of the injector's process, in the form of src/metrics/catalog.ts; the names and labels are an interface. */
import { notes, reasons } from "./reasons.js";

const of = (type: "counter" | "gauge", help: string, labels: Readonly<Record<string, readonly string[]>> = {}) => ({
  type,
  help,
  labels,
  buckets: [],
});

export const injectorCatalog = {
  keyframe_injector_reviews_total: of("counter", "Requests for the admission of a pod, by what became of them.", {
    reason: Object.keys(reasons),
  }),
  keyframe_injector_notes_total: of("counter", "Things worth knowing of pods that were given a sidecar.", {
    note: Object.keys(notes),
  }),
  keyframe_injector_review_seconds: {
    type: "histogram",
    help: "From the end of a request to the beginning of its answer.",
    labels: {},
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
  },
  keyframe_injector_tls_errors_total: of("counter", "Connections that ended before their handshake was done."),
  keyframe_injector_certificate_loads_total: of("counter", "New files of certificate and key, and whether they fit.", {
    outcome: ["used", "refused"],
  }),
  keyframe_injector_certificate_expiry_seconds: of("gauge", "When the certificate in use ends, as a Unix time."),
  keyframe_injector_ready: of("gauge", "1 while /readyz says ready."),
  keyframe_event_loop_lag_seconds: of("gauge", "How late the event loop ran its timers since the last scrape.", {
    percentile: ["50", "99"],
  }),
} as const;
