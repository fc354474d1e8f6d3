use std::sync::Arc;
use std::thread;

use super::*;

fn ring() -> (Memory, Writer, Reader) {
    let memory = Memory::create(ROOM_MIN).unwrap();
    let writer = writer(&memory);
    let reader = Reader::open(&memory.read_only_fd().unwrap()).unwrap();
    (memory, writer, reader)
}

fn writer(memory: &Memory) -> Writer {
    Writer::attach(memory.fd().try_clone_to_owned().unwrap()).unwrap()
}

/// A record whose content can be recognised: its number, over and over, as long as `len` says.
fn content(number: u64, len: usize) -> Vec<u8> {
    number.to_le_bytes().into_iter().cycle().take(len).collect()
}

fn write(writer: &mut Writer, number: u64, len: usize) {
    writer.append(&[&content(number, len)]);
    writer.publish();
}

/// A length that varies, and is none, small or large.
fn len_of(number: u64) -> usize {
    (number.wrapping_mul(2_654_435_761) % 700) as usize
}

#[test]
fn records_come_in_order_and_whole() {
    let (_memory, mut writer, reader) = ring();
    let mut cursor = reader.newest();
    let mut record = Vec::new();
    assert_eq!(reader.next(&mut cursor, &mut record), Next::Nothing);
    for number in 1..2_000 {
        write(&mut writer, number, len_of(number));
        assert_eq!(reader.next(&mut cursor, &mut record), Next::Record(number));
        assert_eq!(record, content(number, len_of(number)));
        assert_eq!(reader.next(&mut cursor, &mut record), Next::Nothing);
    }
    writer.append(&[b"two ", b"parts"]);
    assert_eq!(reader.next(&mut cursor, &mut record), Next::Nothing, "not before it is published");
    writer.publish();
    assert_eq!((reader.next(&mut cursor, &mut record), &*record), (Next::Record(2_000), &b"two parts"[..]));
    writer.append(&[&vec![b'x'; ROOM_MIN]]);
    writer.publish();
    assert_eq!(reader.next(&mut cursor, &mut record), Next::Record(2_001));
    assert_eq!(record.len(), record_max(ROOM_MIN));
}

#[test]
fn neither_end_handles_more_than_it_is_limited_to() {
    let (memory, mut writer, reader) = ring();
    let (limited, mut record) =
        (Reader::open(&memory.read_only_fd().unwrap()).unwrap().limited_to(100), Vec::new());
    write(&mut writer, 1, 300);
    assert!(limited.take_newest(&mut record) && record == content(1, 300)[..100]);
    assert!(reader.take_newest(&mut record) && record == content(1, 300));
    drop(writer);
    let mut writer = self::writer(&memory).limited_to(200);
    write(&mut writer, 2, 300);
    assert!(reader.take_newest(&mut record) && record == content(2, 300)[..200]);
}

#[test]
fn the_newest_record_is_the_last_whole_one() {
    let (_memory, mut writer, reader) = ring();
    let mut record = Vec::new();
    assert!(!reader.take_newest(&mut record), "there is none");
    for number in 1..1_000 {
        write(&mut writer, number, record_max(ROOM_MIN) - len_of(number));
        assert!(reader.take_newest(&mut record));
        assert_eq!(record, content(number, record_max(ROOM_MIN) - len_of(number)));
    }
    writer.append(&[b"not published"]);
    assert!(reader.take_newest(&mut record) && record.len() > 1_000);
}

#[test]
fn the_newest_record_is_whole_while_others_come() {
    let (memory, mut writer, _) = ring();
    let (fd, count) = (memory.read_only_fd().unwrap(), 2_000);
    let reading = thread::spawn(move || {
        let reader = Reader::open(&fd).unwrap();
        let (mut record, mut last) = (Vec::new(), 0);
        while last < count {
            if !reader.take_newest(&mut record) {
                continue;
            }
            let number = u64::from_le_bytes(record[..8].try_into().unwrap());
            assert!(last <= number, "{number} after {last}");
            assert_eq!(record, content(number, 8 + len_of(number)));
            last = number;
        }
    });
    (1..=count).for_each(|number| write(&mut writer, number, 8 + len_of(number)));
    reading.join().unwrap();
}

#[test]
fn who_is_overtaken_learns_how_much_is_missed() {
    let (_memory, mut writer, reader) = ring();
    write(&mut writer, 1, 8);
    let mut cursor = reader.oldest();
    let mut record = Vec::new();
    assert_eq!(reader.next(&mut cursor, &mut record), Next::Record(1));
    for number in 2..=10_000 {
        write(&mut writer, number, 100);
    }
    let Next::Missed(missed) = reader.next(&mut cursor, &mut record) else { panic!("nothing is missed") };
    let mut count = 0;
    while let Next::Record(number) = reader.next(&mut cursor, &mut record) {
        assert_eq!(number, 1 + missed + count + 1);
        assert_eq!(record, content(number, 100));
        count += 1;
    }
    assert_eq!(1 + missed + count, 10_000);
    // A record takes two cells and its bytes, in whole cells.
    assert_eq!(count, ROOM_MIN as u64 / (16 + 104));
}

#[test]
fn a_number_leads_to_what_comes_after_it() {
    let (_memory, mut writer, reader) = ring();
    assert_eq!(reader.after(0), Some(reader.oldest()));
    assert_eq!(reader.after(1), None);
    (1..=5_000).for_each(|number| write(&mut writer, number, 100));
    let mut record = Vec::new();
    for (number, wanted) in [
        (5_000, Next::Nothing),
        (4_999, Next::Record(5_000)),
        (4_500, Next::Record(4_501)),
        (1, Next::Missed(5_000 - 1 - ROOM_MIN as u64 / 120)),
    ] {
        let mut cursor = reader.after(number).unwrap();
        assert_eq!(reader.next(&mut cursor, &mut record), wanted, "after {number}");
    }
    assert_eq!(reader.after(5_001), None, "there never was one");
}

#[test]
fn the_last_records_that_are_wanted() {
    let (_memory, mut writer, reader) = ring();
    (1..=500).for_each(|number| write(&mut writer, number, 8));
    let even = |record: &[u8]| record[0].is_multiple_of(2);
    let mut record = Vec::new();
    for (count, scan_max, first) in [(3, 100, 496), (1, 100, 500), (100, 5, 496), (400, 1_000, 2)] {
        let mut cursor = reader.last_of(count, scan_max, even);
        assert_eq!(reader.next(&mut cursor, &mut record), Next::Record(first), "{count} of {scan_max}");
    }
    assert_eq!(reader.last_of(0, 100, even), reader.newest());
}

#[test]
fn a_writer_goes_on_behind_one_that_died() {
    let (memory, mut first, reader) = ring();
    write(&mut first, 1, 100);
    write(&mut first, 2, 100);
    let mut cursor = reader.oldest();
    // It dies in the middle of the third.
    first.append(&[&content(3, 100)]);
    drop(first);
    let mut second = writer(&memory);
    write(&mut second, 3, 50);
    let mut record = Vec::new();
    for number in 1..=3 {
        assert_eq!(reader.next(&mut cursor, &mut record), Next::Record(number));
    }
    assert_eq!(record, content(3, 50));
    assert_eq!(reader.next(&mut cursor, &mut record), Next::Nothing);
    assert_eq!(reader.after(2).map(Cursor::seen), Some(2));
    let mut third = reader.last_of(3, 10, |_| true);
    assert_eq!(reader.next(&mut third, &mut record), Next::Record(1), "back over what was left");
}

#[test]
fn readers_of_other_threads_see_nothing_torn() {
    const RECORDS: u64 = 30_000;
    let (memory, mut writer, _) = ring();
    let fd = Arc::new(memory.read_only_fd().unwrap());
    let readers: Vec<_> = (0..3_u32)
        .map(|number| {
            let fd = Arc::clone(&fd);
            thread::spawn(move || {
                let reader = Reader::open(&fd).unwrap();
                let mut cursor = reader.oldest();
                let (mut record, mut seen, mut missed) = (Vec::new(), 0_u64, 0_u64);
                loop {
                    match reader.next(&mut cursor, &mut record) {
                        Next::Record(number) => {
                            assert_eq!(record, content(number, len_of(number)), "record {number}");
                            seen += 1;
                        }
                        Next::Missed(count) => missed += count,
                        Next::Nothing if reader.has_ended() => break,
                        Next::Nothing => thread::yield_now(),
                    }
                    if number > 0 && seen.is_multiple_of(64) {
                        // Some are slower than the writer.
                        thread::yield_now();
                    }
                }
                (seen, missed, cursor.seen())
            })
        })
        .collect();
    for number in 1..=RECORDS {
        writer.append(&[&content(number, len_of(number))]);
        if number.is_multiple_of(7) {
            writer.publish();
        }
    }
    writer.publish();
    memory.end();
    for reader in readers {
        let (seen, missed, last) = reader.join().unwrap();
        assert_eq!(last, RECORDS);
        // A reader that had seen none when it was overtaken does not know of any before.
        assert!(seen > 0 && seen + missed <= RECORDS, "{seen} seen, {missed} missed");
    }
}

#[test]
fn what_is_no_ring_is_refused_and_garbage_ends() {
    let cells = Cells::create("test", 1_000).unwrap();
    let fd = cells.fd().try_clone_to_owned().unwrap();
    assert_eq!(Reader::open(&fd).unwrap_err().kind(), io::ErrorKind::InvalidData);
    for room in [0, 1_000, ROOM_MIN / 2, ROOM_MIN + 8] {
        assert_eq!(Memory::create(room).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{room}");
    }
    // Whatever a writer that was taken over leaves, readers come to an end.
    let (memory, _, reader) = ring();
    let mut state = 1_u64;
    for _ in 0..300 {
        for cell in memory.cells.iter().skip(cell::OLDEST).take(200) {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            cell.store(if state.is_multiple_of(3) { state >> 40 } else { state }, Relaxed);
        }
        let mut record = Vec::new();
        let mut cursor = reader.oldest();
        for _ in 0..100 {
            reader.next(&mut cursor, &mut record);
        }
        let _ = reader.after(state);
        reader.last_of(10, 100, |_| true);
        // And so do writers.
        let mut writer = writer(&memory);
        let number = writer.number;
        let mut cursor = reader.newest();
        write(&mut writer, number, 8);
        assert_eq!(reader.next(&mut cursor, &mut record), Next::Record(number));
        assert_eq!(record, content(number, 8));
    }
}
