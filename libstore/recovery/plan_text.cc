#include "libstore/recovery/plan_text.h"

#include <fmt/format.h>

#include "libstore/bytes/crc32.h"

namespace rmq::recovery {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";

std::string hex(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte byte : bytes) {
    text += kHexDigits[std::to_integer<std::size_t>(byte >> 4)];
    text += kHexDigits[std::to_integer<std::size_t>(byte & std::byte{15})];
  }
  return text;
}

std::string_view to_string(BridgeRecord::Kind kind) {
  switch (kind) {
    case BridgeRecord::Kind::placeholder: return "placeholder";
    case BridgeRecord::Kind::filler: return "filler";
    case BridgeRecord::Kind::blank: return "blank";
  }
  return "?";
}

// Another path of the step, as its own path is shown: relative to the store's root.
std::string shown_too(const Step& step, const std::string& path) {
  if (!step.path.ends_with(step.shown)) return path;
  const std::string root = step.path.substr(0, step.path.size() - step.shown.size());
  return path.starts_with(root) ? path.substr(root.size()) : path;
}

void write_record(json::JsonLine& out, const BridgeRecord& record) {
  out.begin_object();
  out.field("record", to_string(record.kind));
  out.field("phyOffset", record.log_offset);
  out.field("size", record.size);
  if (record.kind == BridgeRecord::Kind::placeholder) {
    out.field("topic", record.slot.topic);
    out.field("queueId", record.slot.queue_id);
    out.field("queueOffset", record.slot.queue_offset);
    if (record.slot.batch) out.field("batchNum", record.slot.messages);
  }
  out.end_object();
}

void write_step(json::JsonLine& out, const Step& step) {
  const bool changes_bytes = step.kind == Step::Kind::write || step.kind == Step::Kind::copy ||
                             step.kind == Step::Kind::bridge || step.kind == Step::Kind::zero;
  out.begin_object();
  out.field("step", to_string(step.kind));
  out.field("file", step.shown);
  if (changes_bytes) {
    out.field("offset", step.from);
    out.field("length", step.to - step.from);
  }
  if (step.kind == Step::Kind::make) out.field("size", step.to);
  if (!step.target.empty()) out.field("target", shown_too(step, step.target));
  if (!step.source.empty()) out.field("source", shown_too(step, step.source));
  if (step.kind == Step::Kind::copy) out.field("sourceOffset", step.source_from);
  if (step.kind == Step::Kind::write) out.field("bytes", hex(step.bytes));
  if (step.kind == Step::Kind::replace) {
    out.field("size", std::ssize(step.bytes));
    out.field("crc32After", fmt::format("{:08x}", crc32(step.bytes)));
  }
  if (step.crc_before) out.field("crc32Before", fmt::format("{:08x}", *step.crc_before));
  if (!step.records.empty()) {
    out.key("records");
    out.begin_array();
    for (const BridgeRecord& record : step.records) write_record(out, record);
    out.end_array();
  }
  out.field("why", step.why);
  out.end_object();
}

std::string sentence(const Step& step) {
  switch (step.kind) {
    case Step::Kind::rename: return fmt::format("{} becomes {}", step.shown, shown_too(step, step.target));
    case Step::Kind::set_aside: return fmt::format("{} moves to lost+found", step.shown);
    case Step::Kind::make:
      return step.source.empty() ? fmt::format("{} is made, {} bytes", step.shown, step.to)
                                 : fmt::format("{} is made as a copy, {} bytes", step.shown, step.to);
    case Step::Kind::write:
      return fmt::format("{}: bytes {} to {} are corrected", step.shown, step.from, step.to);
    case Step::Kind::copy:
      return fmt::format("{}: bytes {} to {} are taken from {}", step.shown, step.from, step.to,
                         shown_too(step, step.source));
    case Step::Kind::replace:
      return fmt::format("{} is written anew, {} bytes", step.shown, step.bytes.size());
    case Step::Kind::bridge:
      return fmt::format("{}: bytes {} to {} are bridged with {} records", step.shown, step.from, step.to,
                         step.records.size());
    case Step::Kind::zero:
      return fmt::format("{}: bytes {} to {} become zeros", step.shown, step.from, step.to);
  }
  return step.shown;
}

}  // namespace

std::vector<std::string> steps_as_text(const Plan& plan) {
  std::vector<std::string> text;
  for (const Step& step : plan.steps) text.push_back(sentence(step) + ": " + step.why);
  return text;
}

std::string steps_as_json(const Plan& plan) {
  json::JsonLine out;
  for (const Step& step : plan.steps) {
    write_step(out, step);
    out.end_line();
  }
  return std::string(out.text());
}

void write_plan(json::JsonLine& out, const Plan& plan, std::int64_t max_phy_offset) {
  out.field("closedCleanly", plan.was_closed_cleanly);
  out.field("minPhyOffset", plan.log_begin);
  out.field("maxPhyOffset", max_phy_offset);
  out.field("walkedFrom", plan.walked_from);
  out.field("dispatchFrom", plan.dispatch_from);
  out.field("records", plan.records);
  out.field("bytesRead", plan.bytes_read);
  out.field("unitsBehind", plan.units_behind);
  out.key("rebuilt");
  out.begin_array();
  for (const std::int64_t offset : plan.mended) out.value(offset);
  out.end_array();
  out.key("placeholders");
  out.begin_array();
  for (const LostMessage& lost : plan.placeholders) {
    out.begin_object();
    out.field("topic", lost.topic);
    out.field("queueId", lost.queue_id);
    out.field("queueOffset", lost.queue_offset);
    out.field("phyOffset", lost.log_offset);
    out.end_object();
  }
  out.end_array();
  out.key("lost");
  out.begin_array();
  for (const std::int64_t offset : plan.lost) out.value(offset);
  out.end_array();
  out.key("refusals");
  out.begin_array();
  for (const std::string& why : plan.refusals) out.value(why);
  out.end_array();
  out.key("steps");
  out.begin_array();
  for (const Step& step : plan.steps) write_step(out, step);
  out.end_array();
}

}  // namespace rmq::recovery
