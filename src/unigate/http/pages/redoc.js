"use strict";

Redoc.init("/openapi.json", { expandResponses: "200", hideDownloadButton: false, requiredPropsFirst: true },
  document.getElementById("redoc"));
