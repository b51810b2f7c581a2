#include "libstore/format/epoch_checkpoint.h"

#include <charconv>
#include <optional>

#include "libstore/bytes/big_endian.h"
#include "libstore/bytes/crc32.h"

namespace rmq::format {
namespace {

// Integer.parseInt and Long.parseLong: a sign, digits, nothing else.
template <class T>
std::optional<T> parse_java(std::string_view text) {
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  T number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// BufferedReader.readLine over a text.
class LineReader {
 public:
  explicit LineReader(std::string_view text) : text_(text) {}

  std::optional<std::string_view> next() {
    if (at_ >= text_.size()) return std::nullopt;
    const std::size_t end = std::min(text_.find_first_of("\r\n", at_), text_.size());
    const std::string_view line = text_.substr(at_, end - at_);
    at_ = end + 1;
    if (end + 1 < text_.size() && text_[end] == '\r' && text_[end + 1] == '\n') ++at_;
    return line;
  }
  [[nodiscard]] std::size_t position() const { return std::min(at_, text_.size()); }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

// The checksum is of the lines with the writer's line ends, whatever stands in the file.
std::int32_t checksum(std::string_view lines, std::string_view line_end) {
  std::string content;
  content.reserve(lines.size() + 2);
  LineReader reader(lines);
  while (const auto line = reader.next()) {
    content += *line;
    content += line_end;
  }
  return java_crc32(as_bytes(content));
}

}  // namespace

Decoded<EpochCheckpoint> EpochCheckpoint::parse(std::string_view text) {
  LineReader reader(text);
  const auto count_line = reader.next();
  const std::size_t crc_at = reader.position();
  const auto crc_line = reader.next();
  if (!count_line || !crc_line) return DecodeError{DecodeFault::truncated, text.size()};
  const auto count = parse_java<std::int32_t>(*count_line);
  if (!count) return DecodeError{DecodeFault::bad_field, 0};
  const auto crc = parse_java<std::int32_t>(*crc_line);
  if (!crc) return DecodeError{DecodeFault::bad_field, crc_at};
  const std::size_t entries_at = reader.position();
  EpochCheckpoint checkpoint;
  for (std::size_t at = entries_at; const auto line = reader.next(); at = reader.position()) {
    const std::size_t dash = line->find('-');
    if (dash == std::string_view::npos || dash == 0 || dash + 1 == line->size() ||
        line->find('-', dash + 1) != std::string_view::npos) {
      continue;  // no entry for RocketMQ either: the count tells
    }
    const auto epoch = parse_java<std::int32_t>(line->substr(0, dash));
    const auto start = parse_java<std::int64_t>(line->substr(dash + 1));
    if (!epoch || !start) return DecodeError{DecodeFault::bad_field, at};
    checkpoint.entries.push_back({*epoch, *start});
  }
  if (std::ssize(checkpoint.entries) != *count) return DecodeError{DecodeFault::bad_length, 0};
  const std::string_view lines = text.substr(entries_at);
  if (*crc != 0 && *crc != checksum(lines, "\n") && *crc != checksum(lines, "\r\n")) {
    return DecodeError{DecodeFault::bad_crc, crc_at};
  }
  return checkpoint;
}

std::string EpochCheckpoint::encode() const {
  std::string lines;
  for (const EpochEntry& entry : entries) {
    lines += std::to_string(entry.epoch) + '-' + std::to_string(entry.start) + '\n';
  }
  return std::to_string(entries.size()) + '\n' + std::to_string(java_crc32(as_bytes(lines))) + '\n' + lines;
}

bool EpochCheckpoint::ascends() const {
  for (std::size_t i = 1; i < entries.size(); ++i) {
    if (entries[i].epoch <= entries[i - 1].epoch || entries[i].start <= entries[i - 1].start) return false;
  }
  return true;
}

}  // namespace rmq::format
