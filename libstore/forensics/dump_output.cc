#include "libstore/forensics/dump_output.h"

namespace rmq::forensics {
namespace {

constexpr std::size_t kWriteSize = 1 << 20;

}  // namespace

bool LineOutput::block(std::string_view text, std::span<const OutputLine> lines) {
  if (filter_.tail) {
    keep_tail(text, lines);
    return true;
  }
  bool more = true;
  std::size_t wanted = 0;
  for (const OutputLine& line : lines) {
    if (line.counts && filter_.limit && summary_.lines >= *filter_.limit) {
      more = false;
      break;
    }
    if (line.counts) ++summary_.lines;
    wanted = line.end;
  }
  const bool written = write(text.substr(0, wanted));
  if (!written || !more) summary_.stopped = true;
  return written && more;
}

bool LineOutput::write(std::string_view text) {
  if (pending_.empty() && text.size() >= kWriteSize) return out_.write(text);
  pending_ += text;
  return pending_.size() < kWriteSize || flush();
}

bool LineOutput::finish() {
  for (const std::string& line : tail_) {
    if (!write(line)) return false;
  }
  return flush();
}

bool LineOutput::flush() {
  if (pending_.empty()) return true;
  const bool written = out_.write(pending_);
  pending_.clear();
  return written;
}

void LineOutput::keep_tail(std::string_view text, std::span<const OutputLine> lines) {
  std::size_t from = 0;
  for (const OutputLine& line : lines) {
    tail_.emplace_back(text.substr(from, line.end - from));
    from = line.end;
    if (static_cast<std::int64_t>(tail_.size()) > *filter_.tail) tail_.pop_front();
  }
  summary_.lines = static_cast<std::int64_t>(tail_.size());
}

}  // namespace rmq::forensics
