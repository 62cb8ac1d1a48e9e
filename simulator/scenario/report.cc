#include <algorithm>
#include <cinttypes>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "simulator/scenario/faults.h"
#include "simulator/scenario/judge.h"
#include "simulator/scenario/scenario.h"

namespace openhpu::simulator {
namespace {

double Microseconds(Picoseconds t) { return static_cast<double>(t.value()) / 1e6; }

double Percent(Picoseconds part, Picoseconds whole) {
  return whole.value() == 0
             ? 0
             : 100.0 * static_cast<double>(part.value()) / static_cast<double>(whole.value());
}

std::string Escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      out += absl::StrFormat("\\u%04x", static_cast<int>(c));
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

Picoseconds MedianLatency(const Report& report) {
  std::vector<Picoseconds> sorted = report.latencies;
  std::sort(sorted.begin(), sorted.end());
  return sorted.empty() ? Picoseconds(0) : sorted[sorted.size() / 2];
}

std::string ToText(const Report& report) {
  std::string out = absl::StrFormat(
      "%s on %s: %d repeats, median latency %.3f us, total %.3f us\n", report.name, report.chip,
      report.latencies.size(), Microseconds(MedianLatency(report)), Microseconds(report.total));
  absl::StrAppendFormat(&out, "%-8s %14s %6s %10s %16s %16s %14s\n", "engine", "busy us", "%",
                        "commands", "bytes read", "bytes written", "queue wait us");
  for (const EngineStatistics& e : report.statistics.engines) {
    if (e.commands == 0 && e.bytes_read == 0 && e.bytes_written == 0) continue;
    absl::StrAppendFormat(&out, "%-8s %14.3f %6.1f %10d %16d %16d %14.3f\n", e.name,
                          Microseconds(e.busy), Percent(e.busy, report.total), e.commands,
                          e.bytes_read, e.bytes_written, Microseconds(e.fence_wait));
  }
  absl::StrAppendFormat(&out, "%d packets, %d submissions\n", report.statistics.packets,
                        report.statistics.submissions);
  out += FaultsToText(report);
  for (const Verdict& v : report.verdicts)
    absl::StrAppend(&out, v.holds ? "ok      " : "FAILED  ", v.text, "\n");
  return out;
}

std::string ToJson(const Report& report) {
  std::string out = absl::StrFormat(
      "{\"name\":\"%s\",\"chip\":\"%s\",\"passed\":%s,\"total_ps\":%d,\"median_latency_ps\":%d,"
      "\"latencies_ps\":[",
      Escaped(report.name), Escaped(report.chip), report.passed ? "true" : "false",
      report.total.value(), MedianLatency(report).value());
  for (size_t i = 0; i < report.latencies.size(); ++i)
    absl::StrAppend(&out, i == 0 ? "" : ",", report.latencies[i].value());
  absl::StrAppendFormat(&out, "],\"packets\":%d,\"submissions\":%d,\"engines\":[",
                        report.statistics.packets, report.statistics.submissions);
  for (size_t i = 0; i < report.statistics.engines.size(); ++i) {
    const EngineStatistics& e = report.statistics.engines[i];
    absl::StrAppendFormat(&out,
                          "%s{\"name\":\"%s\",\"busy_ps\":%d,\"commands\":%d,\"bytes_read\":%d,"
                          "\"bytes_written\":%d,\"fence_wait_ps\":%d}",
                          i == 0 ? "" : ",", Escaped(e.name), e.busy.value(), e.commands,
                          e.bytes_read, e.bytes_written, e.fence_wait.value());
  }
  out += "],\"verdicts\":[";
  for (size_t i = 0; i < report.verdicts.size(); ++i) {
    absl::StrAppendFormat(&out, "%s{\"text\":\"%s\",\"holds\":%s}", i == 0 ? "" : ",",
                          Escaped(report.verdicts[i].text),
                          report.verdicts[i].holds ? "true" : "false");
  }
  return absl::StrCat(out, "]", FaultsToJson(report, Escaped), "}\n");
}

}  // namespace openhpu::simulator
