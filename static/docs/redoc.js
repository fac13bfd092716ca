// Redoc of this service's own file, in the fonts that the reader has.
Redoc.init(
  "openapi.json",
  {
    nativeScrollbars: true,
    theme: { typography: { fontFamily: "system-ui, sans-serif", headings: { fontFamily: "system-ui, sans-serif" } } },
  },
  document.getElementById("page"),
);
