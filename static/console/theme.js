// Before anything is drawn, so that the page does not flash; app.js gives the button its turn.
document.documentElement.dataset.theme = localStorage.getItem("theme") || "auto";
