// Finished lines on their way out: the limit, the tail, and few large writes.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>

#include "libstore/forensics/dump.h"

namespace rmq::forensics {

// Where a line ends in a block of output, and whether it counts for the limit (gaps and headers do not).
struct OutputLine {
  std::size_t end = 0;
  bool counts = true;
};

class LineOutput {
 public:
  // Counts lines in `summary`; all three must outlive the output.
  LineOutput(const RecordFilter& filter, DumpSummary& summary, ByteSink& out)
      : filter_(filter), summary_(summary), out_(out) {}

  // A block of whole lines. False: nothing more is wanted, because of the limit or because nobody reads.
  bool block(std::string_view text, std::span<const OutputLine> lines);
  bool line(std::string_view text, bool counts = true) {
    const OutputLine one{text.size(), counts};
    return block(text, {&one, 1});
  }
  // Past limit and tail: titles.
  bool write(std::string_view text);
  // The tail, and what is still buffered.
  bool finish();

 private:
  bool flush();
  void keep_tail(std::string_view text, std::span<const OutputLine> lines);

  const RecordFilter& filter_;
  DumpSummary& summary_;
  ByteSink& out_;
  std::string pending_;
  std::deque<std::string> tail_;
};

}  // namespace rmq::forensics
