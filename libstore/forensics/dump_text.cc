#include "libstore/forensics/dump_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <iterator>

#include "libstore/bytes/big_endian.h"
#include "libstore/codec/sha256.h"
#include "libstore/forensics/dump_json.h"
#include "libstore/format/message_properties.h"
#include "libstore/format/sys_flag.h"

namespace rmq::forensics {
namespace {

constexpr std::int64_t kQuarterHour = 900;
// Years beyond what four digits print, either way: such a time is damage and shown as its number.
constexpr std::int64_t kLastPrintableMs = 253'402'300'799'999;

struct CivilDay {
  std::int64_t year;
  unsigned month;
  unsigned day;
};
// Days since 1970-01-01 to a date of the proleptic Gregorian calendar (eras of 400 years that start on 1
// March).
CivilDay civil_day(std::int64_t days) {
  days += 719468;
  const std::int64_t era = (days >= 0 ? days : days - 146096) / 146097;
  const auto day_of_era = static_cast<unsigned>(days - era * 146097);
  const unsigned year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const unsigned shifted_month = (5 * day_of_year + 2) / 153;
  const unsigned month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
  return {era * 400 + year_of_era + (month <= 2 ? 1 : 0), month,
          day_of_year - (153 * shifted_month + 2) / 5 + 1};
}

// The length of the well-formed UTF-8 character at `text`'s start; 0 when it is none.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  const std::size_t length = first < 0x80   ? 1
                             : first < 0xC2 ? 0
                             : first < 0xE0 ? 2
                             : first < 0xF0 ? 3
                             : first < 0xF5 ? 4
                                            : 0;
  if (length == 0 || length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  // Overlong forms, surrogates, and what lies beyond U+10FFFF.
  if ((first == 0xE0 && byte(1) < 0xA0) || (first == 0xED && byte(1) > 0x9F) ||
      (first == 0xF0 && byte(1) < 0x90) || (first == 0xF4 && byte(1) > 0x8F)) {
    return 0;
  }
  return length;
}

std::string_view kind_of(std::int32_t sys_flag) {
  switch (format::transaction_type(sys_flag)) {
    case format::kSysFlagTransactionPrepared: return " [half]";
    case format::kSysFlagTransactionCommit: return " [commit]";
    case format::kSysFlagTransactionRollback: return " [rollback]";
    default: return "";
  }
}

}  // namespace

std::int64_t TimeText::offset_at(std::int64_t second) {
  const std::int64_t quarter = second / kQuarterHour;
  if (quarter == known_quarter_) return known_offset_;
  const auto time = static_cast<std::time_t>(second);
  std::tm local{};
  known_offset_ = ::localtime_r(&time, &local) == nullptr ? 0 : local.tm_gmtoff;
  known_quarter_ = quarter;
  return known_offset_;
}

void TimeText::append(std::string& out, std::int64_t ms) {
  if (ms < -kLastPrintableMs || ms > kLastPrintableMs) {
    fmt::format_to(std::back_inserter(out), "{} ms", ms);
    return;
  }
  std::int64_t second = ms / 1000;
  if (ms % 1000 < 0) --second;
  const std::int64_t milli = ms - second * 1000;
  const std::int64_t offset = utc_ ? 0 : offset_at(second);
  second += offset;
  std::int64_t day = second / 86400;
  if (second % 86400 < 0) --day;
  const std::int64_t of_day = second - day * 86400;
  const CivilDay date = civil_day(day);
  fmt::format_to(std::back_inserter(out), "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}", date.year, date.month,
                 date.day, of_day / 3600, of_day / 60 % 60, of_day % 60, milli);
  if (utc_) {
    out += 'Z';
  } else {
    const std::int64_t minutes = (offset < 0 ? -offset : offset) / 60;
    fmt::format_to(std::back_inserter(out), "{}{:02}:{:02}", offset < 0 ? '-' : '+', minutes / 60,
                   minutes % 60);
  }
}

std::string TimeText::text(std::int64_t ms) {
  std::string out;
  append(out, ms);
  return out;
}

void append_visible(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const auto first = static_cast<unsigned char>(text[0]);
    // C0, DEL and C1 (U+0080..U+009F) move cursors and change colours.
    const bool control = first < 0x20 || first == 0x7F ||
                         (first == 0xC2 && length == 2 && static_cast<unsigned char>(text[1]) < 0xA0);
    if (length == 0 || control) {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", first);
      text.remove_prefix(1);
      continue;
    }
    out.append(text.substr(0, length));
    text.remove_prefix(length);
  }
}

std::string size_text(std::int64_t bytes) {
  static constexpr std::array<std::string_view, 6> kUnits{"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  std::size_t unit = 0;
  auto value = static_cast<double>(bytes);
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

void append_hexdump(std::string& out, std::span<const std::byte> bytes, std::int64_t base,
                    std::string_view indent) {
  constexpr std::size_t kRow = 16;
  for (std::size_t row = 0; row < bytes.size(); row += kRow) {
    fmt::format_to(std::back_inserter(out), "{}{:012x}  ", indent, base + static_cast<std::int64_t>(row));
    const std::size_t end = std::min(row + kRow, bytes.size());
    for (std::size_t i = row; i < row + kRow; ++i) {
      if (i < end) {
        fmt::format_to(std::back_inserter(out), "{:02x} ", std::to_integer<unsigned>(bytes[i]));
      } else {
        out += "   ";
      }
      if (i - row == 7) out += ' ';
    }
    out += " |";
    for (std::size_t i = row; i < end; ++i) {
      const char c = static_cast<char>(bytes[i]);
      out += c >= 0x20 && c < 0x7F ? c : '.';
    }
    out += "|\n";
  }
}

std::string RecordText::header() {
  return fmt::format("{:>14} {:>8}  {:<29}  {:<28} {:>5} {:>10}  {}\n", "phyOffset", "size", "storeTime",
                     "topic", "queue", "queueOff", "tags, keys, uniqKey");
}

void RecordText::line(std::string& out, const DumpRecord& record) {
  const format::MessageView& m = record.message;
  fmt::format_to(std::back_inserter(out), "{:>14} {:>8}  ", record.phy_offset, m.total_size);
  const std::size_t time_at = out.size();
  time_.append(out, m.store_timestamp);
  constexpr std::size_t kTimeWidth = 31;
  out.append(out.size() - time_at < kTimeWidth ? kTimeWidth - (out.size() - time_at) : 1, ' ');
  const std::size_t topic_at = out.size();
  append_visible(out, m.topic);
  constexpr std::size_t kTopicWidth = 28;
  if (out.size() - topic_at < kTopicWidth) out.append(kTopicWidth - (out.size() - topic_at), ' ');
  fmt::format_to(std::back_inserter(out), " {:>5} {:>10} ", m.queue_id, m.queue_offset);
  const format::StoreProperties found = format::store_properties(m.properties);
  const auto show = [&](std::string_view name, const std::optional<std::string_view>& value) {
    if (!value) return;
    out += ' ';
    out += name;
    append_visible(out, *value);
  };
  show("tags=", found.tags);
  show("keys=", found.keys);
  show("uniq=", found.uniq_key);
  out += kind_of(m.sys_flag);
  if (!m.body_crc_matches()) out += " [body CRC differs]";
  if (record.duplicate_of) {
    fmt::format_to(std::back_inserter(out), " [copy of the record at {}]", *record.duplicate_of);
  } else if (m.physical_offset != record.phy_offset) {
    fmt::format_to(std::back_inserter(out), " [says it lies at {}]", m.physical_offset);
  }
  if (options_.join && queues_ != nullptr) {
    const JoinedUnits units = join_queues(*queues_, record);
    out += units.readable   ? " [readable]"
           : units.in_queue ? " [in its queue, not readable]"
                            : " [in no queue]";
    for (const OtherQueue& other : units.others) {
      out += " [also ";
      append_visible(out, other.topic);
      fmt::format_to(std::back_inserter(out), " {} {}]", other.queue_id, other.queue_offset);
    }
  }
  out += '\n';
  details(out, record);
}

void RecordText::details(std::string& out, const DumpRecord& record) {
  if (options_.properties != PropertyForm::none) {
    format::PropertyReader reader(record.message.properties);
    while (const auto property = reader.next()) {
      if (options_.properties == PropertyForm::user && is_system_property(property->name)) continue;
      out += "    ";
      append_visible(out, property->name);
      out += " = ";
      append_visible(out, property->value);
      out += '\n';
    }
  }
  if (options_.hash) {
    fmt::format_to(std::back_inserter(out), "    bodySha256 {}\n", codec::sha256_hex(record.message.body));
  }
  if (options_.body != BodyForm::none) body(out, record);
}

void RecordText::body(std::string& out, const DumpRecord& record) const {
  std::vector<std::byte> plain;
  const auto bytes = body_to_print(options_, record.message, plain);
  if (!bytes) {
    out += "    body: cannot be decompressed\n";
    return;
  }
  switch (options_.body) {
    case BodyForm::hex: append_hexdump(out, *bytes, 0, "    "); return;
    case BodyForm::base64:
      out += "    ";
      append_base64(out, *bytes);
      break;
    case BodyForm::file: {
      const auto path = options_.body_writer(format::offset_message_id(record.message), *bytes);
      out += "    body: ";
      append_visible(out, path ? *path : path.error().message());
      break;
    }
    case BodyForm::text:
    case BodyForm::none:
      out += "    ";
      append_visible(out, as_text(*bytes));
      break;
  }
  out += '\n';
}

void RecordText::gap(std::string& out, const DumpGap& gap) const {
  if (options_.color) out += "\x1b[31m";
  fmt::format_to(std::back_inserter(out), "{:>14} {:>8}  -- no record in {}: {}", gap.from, gap.to - gap.from,
                 gap.file, gap.looks_like);
  if (gap.stale_records != 0)
    fmt::format_to(std::back_inserter(out), ", {} older records in it", gap.stale_records);
  if (options_.color) out += "\x1b[0m";
  out += '\n';
}

}  // namespace rmq::forensics
