#include "tools/cli/verify_report.h"

#include <fmt/format.h>

#include <iterator>

#include "libstore/forensics/dump_text.h"
#include "libstore/forensics/finding_table.h"

namespace rmq::cli {
namespace {

constexpr std::int32_t kVerifySchema = 1;
constexpr std::size_t kShownNames = 20;

std::string_view color_of(forensics::Severity severity) {
  switch (severity) {
    case forensics::Severity::loss: return "\x1b[1;31m";
    case forensics::Severity::hidden: return "\x1b[31m";
    case forensics::Severity::degraded: return "\x1b[33m";
    case forensics::Severity::benign: return "\x1b[2m";
  }
  return "";
}

void text_or_null(json::JsonLine& out, std::string_view name, const std::string& text) {
  out.key(name);
  if (text.empty()) {
    out.value(nullptr);
  } else {
    out.value(text);
  }
}

void number_or_null(json::JsonLine& out, std::string_view name, std::int64_t number) {
  out.key(name);
  if (number < 0) {
    out.value(nullptr);
  } else {
    out.value(number);
  }
}

void list(json::JsonLine& out, std::string_view name, const std::vector<std::string>& items) {
  out.key(name);
  out.begin_array();
  for (const std::string& item : items) out.value(item);
  out.end_array();
}

void text_list(std::string& text, std::string_view title, const std::vector<std::string>& items) {
  if (items.empty()) return;
  fmt::format_to(std::back_inserter(text), "  {} ({}):\n", title, items.size());
  for (std::size_t i = 0; i < items.size() && i < kShownNames; ++i) {
    text += "    ";
    forensics::append_visible(text, items[i]);
    text += '\n';
  }
  if (items.size() > kShownNames)
    fmt::format_to(std::back_inserter(text), "    and {} more\n", items.size() - kShownNames);
}

}  // namespace

void VerifyReport::write(std::string_view text) {
  if (wanted_) wanted_ = out_.write(text);
}

void VerifyReport::finding(const forensics::Finding& finding) {
  const forensics::FindingRow* row = forensics::find_finding(finding.code);
  if (to_json_) {
    json_.begin_object();
    json_.field("kind", "finding");
    json_.field("schema", kVerifySchema);
    json_.field("code", finding.code);
    json_.field("severity", forensics::to_string(finding.severity));
    json_.field("file", finding.file);
    if (!finding.expected_file.empty()) json_.field("expectedFile", finding.expected_file);
    json_.field("offset", finding.offset);
    json_.field("length", finding.length);
    text_or_null(json_, "topic", finding.topic);
    number_or_null(json_, "queueId", finding.queue_id);
    number_or_null(json_, "queueOffset", finding.queue_offset);
    json_.field("message", finding.message);
    json_.field("fix", row == nullptr ? std::string_view() : row->fix);
    if (finding.consequences != 0) json_.field("consequences", finding.consequences);
    json_.end_object();
    json_.end_line();
    write(json_.text());
    json_.clear();
    return;
  }
  std::string text;
  if (!any_ || finding.file != last_file_) {
    if (any_) text += '\n';
    forensics::append_visible(text, finding.file.empty() ? "the store" : finding.file);
    text += '\n';
    last_file_ = finding.file;
    any_ = true;
  }
  fmt::format_to(std::back_inserter(text), "  {}{:<9}{} {:<20} ", color_ ? color_of(finding.severity) : "",
                 forensics::to_string(finding.severity), color_ ? "\x1b[0m" : "", finding.code);
  forensics::append_visible(text, finding.message);
  if (finding.length > 0) {
    fmt::format_to(std::back_inserter(text), " [bytes {} to {}]", finding.offset,
                   finding.offset + finding.length);
  }
  if (finding.consequences != 0) {
    fmt::format_to(std::back_inserter(text), " ({} more suffer only because of this)", finding.consequences);
  }
  text += '\n';
  write(text);
}

void VerifyReport::summary(const forensics::VerifySummary& summary, double seconds) {
  if (to_json_) {
    json_.begin_object();
    json_.field("kind", "summary");
    json_.field("schema", kVerifySchema);
    json_.field("clean", summary.clean);
    json_.field("records", summary.records);
    json_.field("bytesChecked", summary.bytes_checked);
    json_.field("bytesExpected", summary.bytes_expected);
    json_.key("findings");
    json_.begin_object();
    for (const auto& [code, count] : summary.findings) {
      json_.any_key(code);
      json_.value(count);
    }
    json_.end_object();
    json_.field("seconds", seconds);
    json_.end_object();
    json_.end_line();
    write(json_.text());
    json_.clear();
    return;
  }
  std::string text = any_ ? "\n" : "";
  for (const auto& [code, count] : summary.findings) {
    const forensics::FindingRow* row = forensics::find_finding(code);
    fmt::format_to(std::back_inserter(text), "{:>8}  {:<20} {}\n", count, code,
                   row == nullptr ? "" : row->title);
  }
  fmt::format_to(std::back_inserter(text), "{}: {} records, {} of {} bytes checked, {:.1f} s\n",
                 summary.clean                                  ? "clean"
                 : summary.worst != forensics::Severity::benign ? "problems found"
                 : summary.unclean_stop                         ? "stopped uncleanly, nothing worse"
                                                                : "not everything was checked",
                 summary.records, summary.bytes_checked, summary.bytes_expected, seconds);
  write(text);
}

void VerifyReport::preflight(const preflight::Preflight& forecast) {
  if (!to_json_) {
    text_forecast(forecast);
    return;
  }
  json_.begin_object();
  json_.field("kind", "preflight");
  json_.field("schema", kVerifySchema);
  json_.field("version", forecast.version == preflight::StockVersion::v4_9 ? "4.9" : "5.3");
  json_.field("simulated", forecast.simulated);
  json_.field("abnormal", forecast.abnormal);
  json_.field("starts", forecast.starts);
  text_or_null(json_, "reason", forecast.reason);
  json_.field("minPhyOffset", forecast.min_phy_offset);
  json_.field("maxPhyOffset", forecast.max_phy_offset);
  json_.key("readablePerQueue");
  json_.begin_object();
  for (const preflight::QueueForecast& queue : forecast.queues) {
    json_.any_key(queue.topic + "/" + std::to_string(queue.queue_id));
    json_.value(queue.readable);
  }
  json_.end_object();
  json_.field("messagesLost", forecast.messages_lost);
  json_.field("misplaced", forecast.misplaced);
  list(json_, "filesDestroyed", forecast.files_destroyed);
  list(json_, "queuesTruncated", forecast.queues_truncated);
  list(json_, "indexFilesDeleted", forecast.index_files_deleted);
  json_.key("configLoaded");
  json_.begin_object();
  for (const auto& [file, from] : forecast.config_loaded) {
    json_.any_key(file);
    json_.value(from);
  }
  json_.end_object();
  json_.field("recoveryBytes", forecast.recovery_bytes);
  json_.end_object();
  json_.end_line();
  write(json_.text());
  json_.clear();
}

void VerifyReport::text_forecast(const preflight::Preflight& forecast) {
  std::string text = fmt::format("If a stock broker {} were started on this store now, after {} stop:\n",
                                 forecast.version == preflight::StockVersion::v4_9 ? "4.9" : "5.3",
                                 forecast.abnormal ? "an unclean" : "a clean");
  const auto reason = [&] { forensics::append_visible(text, forecast.reason); };
  if (!forecast.simulated) {
    text += "  this kind of store is not simulated: ";
    reason();
    write(text + '\n');
    return;
  }
  if (!forecast.starts) {
    text += "  it would not start: ";
    reason();
    text += '\n';
  } else {
    std::int64_t readable = 0;
    for (const preflight::QueueForecast& queue : forecast.queues) readable += queue.readable;
    fmt::format_to(
        std::back_inserter(text),
        "  it would start; the log would reach from {} to {}\n  {} messages readable in {} queues\n",
        forecast.min_phy_offset, forecast.max_phy_offset, readable, forecast.queues.size());
    if (!forecast.reason.empty()) {
      text += "  ";
      reason();
      text += '\n';
    }
  }
  fmt::format_to(std::back_inserter(text), "  {}{} messages lost that are intact now{}\n",
                 color_ && forecast.messages_lost > 0 ? "\x1b[1;31m" : "", forecast.messages_lost,
                 color_ && forecast.messages_lost > 0 ? "\x1b[0m" : "");
  if (forecast.misplaced > 0) {
    fmt::format_to(std::back_inserter(text),
                   "  {} messages readable at another queue offset than their own\n", forecast.misplaced);
  }
  text_list(text, "files destroyed", forecast.files_destroyed);
  text_list(text, "queues truncated", forecast.queues_truncated);
  text_list(text, "index files deleted", forecast.index_files_deleted);
  for (const auto& [file, from] : forecast.config_loaded) {
    if (from != "json") {
      fmt::format_to(std::back_inserter(text), "  {} would be loaded from {}\n", file,
                     from == "bak" ? "its .bak" : "nowhere: empty");
    }
  }
  fmt::format_to(std::back_inserter(text), "  {} read for the recovery\n",
                 forensics::size_text(forecast.recovery_bytes));
  write(text);
}

std::string explain(std::string_view code) {
  const forensics::FindingRow* row = forensics::find_finding(code);
  if (row == nullptr) return {};
  return fmt::format("{}  {} (usually {})\n\n{}\n\nUsual cause: {}\n\nWhat to do: {}\n", row->code,
                     row->title, forensics::to_string(row->usual), row->meaning, row->cause, row->fix);
}

}  // namespace rmq::cli
