// Times of modification of queue files that were written anew: stock 4.x looks for messages by time in them
// (ConsumeQueue.getOffsetInQueueByTime, MappedFileQueue.getMappedFileByTime), so a file has the time of its
// last message.
#pragma once

#include "libstore/base/status.h"
#include "libstore/io/file_system.h"
#include "libstore/recovery/undo_journal.h"
#include "libstore/scan/store_survey.h"

namespace rmq::repair {

// Of the queue files that were changed through the journal; of all where there is none.
[[nodiscard]] Status date_queue_files(io::FileSystem& files, const scan::StoreSurvey& survey,
                                      const recovery::UndoJournal* journal);

}  // namespace rmq::repair
