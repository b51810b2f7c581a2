#include "libstore/forensics/dump_stats.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <vector>

#include "libstore/forensics/dump_json.h"
#include "libstore/forensics/dump_text.h"
#include "libstore/format/message_properties.h"

namespace rmq::forensics {
namespace {

// Names come from the data: beyond this many groups the rest is counted together.
constexpr std::size_t kGroupsLimit = 1'000'000;
constexpr std::string_view kRest = "(more)";
constexpr std::int64_t kHourMs = 3'600'000;

std::string_view name_of(StatsGroup group) {
  switch (group) {
    case StatsGroup::queue: return "queue";
    case StatsGroup::hour: return "hour";
    case StatsGroup::tag: return "tag";
    case StatsGroup::topic:
    case StatsGroup::none: return "topic";
  }
  return "topic";
}

void json_row(json::JsonLine& out, std::string_view group, const std::string* name, const StatsRow& row) {
  begin_line(out, "stats");
  out.field("group", group);
  out.key("name");
  if (name != nullptr) {
    out.value(*name);
  } else {
    out.value(nullptr);
  }
  out.field("messages", row.messages);
  out.field("bytes", row.bytes);
  out.field("bodyBytes", row.body_bytes);
  out.field("badBodyCRC", row.bad_crc);
  if (row.messages > 0) {
    out.field("firstStoreTimestamp", row.first_ms);
    out.field("lastStoreTimestamp", row.last_ms);
    if (group == "queue" && name != nullptr) {
      out.field("minQueueOffset", row.min_queue_offset);
      out.field("maxQueueOffset", row.max_queue_offset);
    }
  }
  end_line(out);
}

void text_row(std::string& out, TimeText& time, std::string_view name, const StatsRow& row) {
  const std::size_t at = out.size();
  append_visible(out, name);
  constexpr std::size_t kNameWidth = 40;
  if (out.size() - at < kNameWidth) out.append(kNameWidth - (out.size() - at), ' ');
  fmt::format_to(std::back_inserter(out), " {:>12} {:>12} {:>12} {:>6}", row.messages, size_text(row.bytes),
                 size_text(row.body_bytes), row.bad_crc);
  if (row.messages > 0) {
    out += "  ";
    time.append(out, row.first_ms);
    out += "  ";
    time.append(out, row.last_ms);
  }
  out += '\n';
}

}  // namespace

void StatsRow::add(const StatsRow& other) {
  messages += other.messages;
  bytes += other.bytes;
  body_bytes += other.body_bytes;
  bad_crc += other.bad_crc;
  first_ms = std::min(first_ms, other.first_ms);
  last_ms = std::max(last_ms, other.last_ms);
  min_queue_offset = std::min(min_queue_offset, other.min_queue_offset);
  max_queue_offset = std::max(max_queue_offset, other.max_queue_offset);
}

StatsRow& StatsTable::row(const std::string& name) {
  const auto known = rows_.find(name);
  if (known != rows_.end()) return known->second;
  return rows_[rows_.size() < kGroupsLimit ? name : std::string(kRest)];
}

void StatsTable::add(const format::MessageView& message) {
  scratch_.clear();
  if (group_ == StatsGroup::hour) {
    // Sortable as text; printed as a time.
    const std::int64_t hour = message.store_timestamp / kHourMs * kHourMs;
    fmt::format_to(std::back_inserter(scratch_), "{:020}", hour);
  } else {
    scratch_ = message.topic;
  }
  if (group_ == StatsGroup::queue) {
    fmt::format_to(std::back_inserter(scratch_), "/{}", message.queue_id);
  } else if (group_ == StatsGroup::tag) {
    scratch_ += ' ';
    scratch_ += format::find_property(message.properties, format::kPropertyTags).value_or("(none)");
  }
  StatsRow one;
  one.messages = 1;
  one.bytes = message.total_size;
  one.body_bytes = static_cast<std::int64_t>(message.body.size());
  one.bad_crc = message.body_crc_matches() ? 0 : 1;
  one.first_ms = one.last_ms = message.store_timestamp;
  one.min_queue_offset = one.max_queue_offset = message.queue_offset;
  row(scratch_).add(one);
}

void StatsTable::merge(const StatsTable& other) {
  for (const auto& [name, counted] : other.rows_) row(name).add(counted);
}

void StatsTable::print(const DumpOptions& options, json::JsonLine& json, std::string& text) const {
  std::vector<const std::pair<const std::string, StatsRow>*> sorted;
  for (const auto& entry : rows_) sorted.push_back(&entry);
  std::ranges::sort(sorted, {}, [](const auto* entry) -> const std::string& { return entry->first; });
  const bool to_json = options.format == OutputFormat::json;
  TimeText time(options.utc);
  if (!to_json) {
    text += fmt::format("{:<40} {:>12} {:>12} {:>12} {:>6}  {:<29}  {}\n", name_of(group_), "messages",
                        "bytes", "body bytes", "badCRC", "first", "last");
  }
  StatsRow total;
  for (const auto* entry : sorted) {
    std::string name = entry->first;
    if (group_ == StatsGroup::hour && name != kRest) name = time.text(std::stoll(name));
    if (to_json) {
      json_row(json, name_of(group_), &name, entry->second);
    } else {
      text_row(text, time, name, entry->second);
    }
    total.add(entry->second);
  }
  if (to_json) {
    json_row(json, "total", nullptr, total);
  } else {
    text_row(text, time, "total", total);
  }
}

}  // namespace rmq::forensics
