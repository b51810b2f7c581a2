// Index files against themselves and against the log. A file counts when its chains are what putting its
// entries one by one gives; the log then says which entries there should be. RocketMQ: IndexFile.putKey.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "libstore/derive/dispatch_request.h"
#include "libstore/format/index_file.h"
#include "libstore/recovery/plan.h"
#include "libstore/scan/index_geometry.h"

namespace rmq::recovery {

inline constexpr std::int64_t kEverything = std::numeric_limits<std::int64_t>::max();

struct IndexFilePart {
  scan::IndexFileInfo info;
  scan::IndexGeometry geometry;
  format::IndexHeader header;
  bool sound = false;
};

class IndexCheck {
 public:
  // Depth::tail looks only at files that end behind what the checkpoint's indexMsgTimestamp vouches for, and
  // at none after a clean stop.
  [[nodiscard]] static IndexCheck check(const io::ReadFileSystem& files, const scan::StoreSurvey& survey,
                                        std::int64_t vouched_for, const PlanOptions& options);

  // The files from the first on that are sound, one behind the other.
  [[nodiscard]] const std::vector<IndexFilePart>& files() const { return files_; }
  [[nodiscard]] std::size_t sound() const { return sound_; }
  // The log offset of the last entry in them; -1: there is none.
  [[nodiscard]] std::int64_t last_offset() const;

  // Goes through entries in the order of the log. One thread; several of them may look at one IndexCheck.
  class Reader {
   public:
    Reader(const io::ReadFileSystem& files, const IndexCheck& check, std::int64_t from);
    // Are the next entries those of this message, and no others before them? Its keys may stand there more
    // than once: after a kill stock puts the last message's again.
    [[nodiscard]] bool has(const derive::DispatchRequest& request);
    // Where the next entry leads to, if that is below `limit`.
    [[nodiscard]] std::optional<std::int64_t> next_below(std::int64_t limit);

   private:
    [[nodiscard]] std::optional<format::IndexEntry> peek();
    void skip() { ++number_; }

    const io::ReadFileSystem& source_;
    const IndexCheck& check_;
    std::size_t file_ = 0;
    std::int32_t number_ = 1;
    std::vector<std::byte> window_;
    std::size_t window_file_ = 0;
    std::int32_t window_first_ = 0;
    std::int32_t window_end_ = 0;
    std::vector<std::int32_t> wanted_;
    std::string topic_;
    std::int32_t topic_hash_ = 0;
  };

 private:
  std::vector<IndexFilePart> files_;
  std::size_t sound_ = 0;
};

}  // namespace rmq::recovery
