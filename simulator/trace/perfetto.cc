#include "simulator/trace/perfetto.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "hal/base/status_macros.h"

namespace openhpu::simulator {
namespace {

constexpr uint32_t kPlaces = 1000;  // of a track's further threads, which follow it

void AppendString(std::string_view text, std::string* json) {
  json->push_back('"');
  for (char c : text) {
    switch (c) {
      case '"':
        json->append("\\\"");
        break;
      case '\\':
        json->append("\\\\");
        break;
      case '\n':
        json->append("\\n");
        break;
      case '\t':
        json->append("\\t");
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          absl::StrAppendFormat(json, "\\u%04x", static_cast<unsigned char>(c));
        } else {
          json->push_back(c);
        }
    }
  }
  json->push_back('"');
}

// Picoseconds as microseconds, exact, without trailing zeros.
void AppendMicroseconds(uint64_t picoseconds, std::string* json) {
  absl::StrAppend(json, picoseconds / 1000000);
  uint64_t fraction = picoseconds % 1000000;
  if (fraction == 0) return;
  int digits = 6;
  for (; fraction % 10 == 0; fraction /= 10) --digits;
  absl::StrAppendFormat(json, ".%0*d", digits, fraction);
}

// The name and the place of a process (a group; `id` is "") or of one of its threads.
void AppendMeta(const char* what, uint32_t group, const std::string& id, const std::string& name,
                uint32_t place, std::string* json) {
  const auto begin = [&](const char* property) {
    absl::StrAppend(json, "{\"ph\":\"M\",\"pid\":", group + 1, id, ",\"name\":\"", what);
    absl::StrAppend(json, property, "\",\"args\":{\"");
  };
  begin("_name");
  json->append("name\":");
  AppendString(name, json);
  json->append("}},\n");
  begin("_sort_index");
  absl::StrAppend(json, "sort_index\":", place, "}},\n");
}

absl::Status FileError(const char* what, const std::string& path) {
  return absl::UnavailableError(
      absl::StrFormat("cannot %s %s: %s", what, path, std::strerror(errno)));
}

absl::Status WriteAll(int fd, std::string_view data, const std::string& path) {
  while (!data.empty()) {
    const ssize_t written = write(fd, data.data(), data.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return FileError("write", path);
    data.remove_prefix(written);
  }
  return absl::OkStatus();
}

}  // namespace

TrackId PerfettoTrace::Track(std::string_view group, std::string_view name) {
  const auto [it, created] =
      ids_.try_emplace({std::string(group), std::string(name)}, static_cast<TrackId>(ids_.size()));
  if (created) {
    const auto known = std::find(groups_.begin(), groups_.end(), group);
    const uint32_t index = static_cast<uint32_t>(known - groups_.begin());
    if (known == groups_.end()) groups_.emplace_back(group);
    tracks_.push_back({index, std::string(name), it->second * kPlaces});
  }
  return it->second;
}

uint32_t PerfettoTrace::Text(std::string_view text) {
  auto it = text_ids_.find(text);
  if (it == text_ids_.end()) {
    it = text_ids_.emplace(std::string(text), static_cast<uint32_t>(texts_.size())).first;
    texts_.push_back(&it->first);
  }
  return it->second;
}

void PerfettoTrace::Span(TrackId track, std::string_view what, std::string_view detail,
                         Picoseconds begin, Picoseconds end, uint64_t bytes) {
  OPENHPU_CHECK(track < tracks_.size() && begin <= end);
  events_.push_back({track, false, Text(what), Text(detail), begin.value(), end.value(), bytes});
}

void PerfettoTrace::Counter(TrackId track, Picoseconds at, int64_t value) {
  OPENHPU_CHECK(track < tracks_.size());
  events_.push_back({track, true, 0, 0, at.value(), static_cast<uint64_t>(value), 0});
}

void PerfettoTrace::SetMetadata(std::string_view name, std::string_view value) {
  metadata_[std::string(name)] = std::string(value);
}

std::vector<const PerfettoTrace::Event*> PerfettoTrace::SortedEvents() const {
  std::vector<const Event*> events;
  events.reserve(events_.size());
  for (const Event& event : events_) events.push_back(&event);
  const auto duration = [](const Event& event) {
    return event.counter ? 0 : event.end - event.begin;
  };
  std::stable_sort(events.begin(), events.end(), [&](const Event* a, const Event* b) {
    return a->begin != b->begin ? a->begin < b->begin : duration(*a) > duration(*b);
  });
  return events;
}

std::vector<uint32_t> PerfettoTrace::Threads(const std::vector<const Event*>& events,
                                             std::vector<TrackInfo>* further) const {
  struct Lane {
    uint32_t thread;
    std::vector<uint64_t> open;  // ends of the spans around this time, innermost last
  };
  std::vector<std::vector<Lane>> lanes(tracks_.size());
  for (TrackId id = 0; id < tracks_.size(); ++id) lanes[id].push_back({id, {}});
  std::vector<uint32_t> threads;
  threads.reserve(events.size());
  for (const Event* event : events) {
    if (event->counter) {
      threads.push_back(event->track);
      continue;
    }
    std::vector<Lane>& candidates = lanes[event->track];
    size_t lane = 0;
    for (; lane < candidates.size(); ++lane) {
      std::vector<uint64_t>& open = candidates[lane].open;
      while (!open.empty() && open.back() <= event->begin) open.pop_back();
      if (open.empty() || open.back() >= event->end) break;
    }
    if (lane == candidates.size()) {
      candidates.push_back({static_cast<uint32_t>(tracks_.size() + further->size()), {}});
      const TrackInfo& track = tracks_[event->track];
      further->push_back({track.group, absl::StrCat(track.name, " (", lane + 1, ")"),
                          track.place + static_cast<uint32_t>(lane)});
    }
    candidates[lane].open.push_back(event->end);
    threads.push_back(candidates[lane].thread);
  }
  return threads;
}

void PerfettoTrace::AppendEvent(const Event& event, uint32_t thread, std::string* json) const {
  const TrackInfo& track = tracks_[event.track];
  absl::StrAppend(json, "{\"ph\":\"", event.counter ? "C" : "X", "\",\"pid\":", track.group + 1,
                  ",\"tid\":", thread + 1, ",\"ts\":");
  AppendMicroseconds(event.begin, json);
  if (event.counter) {
    // Counters have no thread of their own: viewers tell them apart by name.
    json->append(",\"name\":");
    AppendString(track.name, json);
    absl::StrAppend(json, ",\"args\":{\"value\":", static_cast<int64_t>(event.end), "}}");
    return;
  }
  json->append(",\"dur\":");
  AppendMicroseconds(event.end - event.begin, json);
  json->append(",\"name\":");
  AppendString(*texts_[event.what], json);
  json->append(",\"args\":{");
  const std::string& detail = *texts_[event.detail];
  if (!detail.empty()) {
    json->append("\"detail\":");
    AppendString(detail, json);
  }
  if (event.bytes != 0) {
    absl::StrAppend(json, detail.empty() ? "" : ",", "\"bytes\":", event.bytes);
  }
  json->append("}}");
}

std::string PerfettoTrace::ToJson() const {
  std::string json = "{\"displayTimeUnit\":\"ns\",\"otherData\":{";
  const char* separator = "";
  for (const auto& [name, value] : metadata_) {
    json.append(separator);
    AppendString(name, &json);
    json.push_back(':');
    AppendString(value, &json);
    separator = ",";
  }
  json.append("},\"traceEvents\":[\n");
  for (uint32_t group = 0; group < groups_.size(); ++group) {
    AppendMeta("process", group, "", groups_[group], group, &json);
  }
  const std::vector<const Event*> events = SortedEvents();
  std::vector<TrackInfo> names(tracks_);
  std::vector<TrackInfo> further;
  const std::vector<uint32_t> threads = Threads(events, &further);
  names.insert(names.end(), further.begin(), further.end());
  for (uint32_t id = 0; id < names.size(); ++id) {
    AppendMeta("thread", names[id].group, absl::StrCat(",\"tid\":", id + 1), names[id].name,
               names[id].place, &json);
  }
  for (size_t i = 0; i < events.size(); ++i) {
    AppendEvent(*events[i], threads[i], &json);
    json.append(",\n");
  }
  // JSON has no comma after the last one.
  if (!groups_.empty()) json.erase(json.size() - 2, 1);
  json.append("]}\n");
  return json;
}

absl::Status PerfettoTrace::WriteFile(const std::string& path) const {
  const std::string temporary = absl::StrCat(path, ".", getpid(), ".tmp");
  const int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) return FileError("create", temporary);
  absl::Status status = WriteAll(fd, ToJson(), temporary);
  if (close(fd) != 0 && status.ok()) status = FileError("close", temporary);
  if (status.ok() && std::rename(temporary.c_str(), path.c_str()) != 0) {
    status = FileError("create", path);
  }
  if (!status.ok()) unlink(temporary.c_str());
  return status;
}

}  // namespace openhpu::simulator
