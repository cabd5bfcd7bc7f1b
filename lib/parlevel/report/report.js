// The order plan: search, sort, pages and CSV, over the rows embedded in this page. No library, no network.
(function () {
  "use strict";
  var source = document.getElementById("orders-data");
  if (!source) return;
  var data = JSON.parse(source.textContent);
  var table = document.getElementById("orders-table");
  var body = table.tBodies[0];
  var heads = Array.prototype.slice.call(table.tHead.rows[0].cells);
  var search = document.getElementById("orders-search");
  var count = document.getElementById("orders-count");
  var back = document.getElementById("orders-back");
  var next = document.getElementById("orders-next");
  var size = 25, page = 0, column = -1, upward = true;
  var rows = data.rows.map(function (cells, position) {
    return { cells: cells, position: position };
  });
  var shown = rows;

  function format(value, kind) {
    if (value === null) return "";
    if (kind === "money") return data.currency + value.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
    if (kind === "share") return (100 * value).toFixed(1) + " %";
    if (kind === "units") return value.toLocaleString("en", { maximumFractionDigits: 1 });
    if (kind === "tenths") return value.toLocaleString("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
    return String(value);
  }

  function draw() {
    var pages = Math.max(1, Math.ceil(shown.length / size));
    page = Math.min(page, pages - 1);
    body.textContent = "";
    shown.slice(page * size, (page + 1) * size).forEach(function (row) {
      var line = body.insertRow();
      row.cells.forEach(function (value, k) {
        var cell = line.insertCell();
        cell.textContent = format(value, data.kinds[k]);
        cell.className = data.classes[k];
      });
    });
    var from = shown.length ? page * size + 1 : 0;
    count.textContent = !shown.length ? "no line has all these words" : "lines " + from.toLocaleString("en") + " to " + Math.min(shown.length, (page + 1) * size).toLocaleString("en") +
      " of " + shown.length.toLocaleString("en");
    back.disabled = page === 0;
    next.disabled = page >= pages - 1;
  }

  // What a search looks in: every cell as stored and as shown (money with its sign and commas), made when the first search comes.
  function text(row) {
    if (row.text === undefined) {
      var seen = row.cells.map(function (value, k) { return format(value, data.kinds[k]); });
      row.text = row.cells.concat(seen).join(" ").toLowerCase();
    }
    return row.text;
  }

  function select() {
    var words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    shown = rows.filter(function (row) {
      return words.every(function (word) { return text(row).indexOf(word) >= 0; });
    });
    shown.sort(function (a, b) {
      var x = column < 0 ? a.position : a.cells[column], y = column < 0 ? b.position : b.cells[column];
      if (x === y) return a.position - b.position;
      if (x === null) return 1;
      if (y === null) return -1;
      return (x < y ? -1 : 1) * (upward ? 1 : -1);
    });
    page = 0;
    draw();
  }

  heads.forEach(function (head, k) {
    head.querySelector("button").addEventListener("click", function () {
      upward = column === k ? !upward : ["text", "date"].indexOf(data.kinds[k]) >= 0;
      column = k;
      heads.forEach(function (other) { other.removeAttribute("aria-sort"); });
      head.setAttribute("aria-sort", upward ? "ascending" : "descending");
      select();
    });
  });
  search.addEventListener("input", select);
  back.addEventListener("click", function () { page -= 1; draw(); });
  next.addEventListener("click", function () { page += 1; draw(); });
  document.getElementById("orders-csv").addEventListener("click", function () {
    function quote(value) {
      var text = value === null ? "" : String(value);
      return /[",\n\r]/.test(text) ? '"' + text.replace(/"/g, '""') + '"' : text;
    }
    var lines = [data.columns].concat(shown.map(function (row) { return row.cells; }));
    var text = lines.map(function (cells) { return cells.map(quote).join(","); }).join("\r\n") + "\r\n";
    var link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(["\ufeff" + text], { type: "text/csv;charset=utf-8" }));
    link.download = "order_plan_" + data.run_id + ".csv";
    link.click();
    URL.revokeObjectURL(link.href);
  });
  document.getElementById("orders-tools").hidden = false;
  draw();
})();
